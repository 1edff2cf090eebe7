"""A real Apache Kafka: one small JVM on loopback, or one that is there already.

The local server is a combined broker and controller from the Maven artifact, with short sessions so that a killed
broker comes back in about two seconds.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.provider import (
    MissingServerError,
    Probe,
    cache,
    choose,
    docker_answers,
    free_port,
    install_packages,
    run_program,
)

VERSION = "4.1.1"
ADDRESS = "KAFKA_BOOTSTRAP_SERVERS"
_JVM = [
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xms64m",
    "-Xmx256m",
    "-Xss512k",
    "-Xshare:auto",
    "-XX:-UsePerfData",
]
_POM = f"""<project><modelVersion>4.0.0</modelVersion>
<groupId>signoff</groupId><artifactId>kafka-for-tests</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
<version>2.24.3</version></dependency>
</dependencies></project>
"""
_LOG = """status=error
appender.f.type=File
appender.f.name=F
appender.f.fileName=${sys:kafka.log}
appender.f.layout.type=PatternLayout
appender.f.layout.pattern=%d{HH:mm:ss.SSS} %p %c{1} %m%n
rootLogger.level=INFO
rootLogger.appenderRef.f.ref=F
"""
_SETTINGS = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.partitions=6
offsets.topic.num.partitions=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
default.replication.factor=1
min.insync.replicas=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
log.cleaner.dedupe.buffer.size=2097152
background.threads=2
num.network.threads=2
num.io.threads=4
num.replica.fetchers=1
"""


def home() -> Path:
    """Return where the broker's jars are kept."""
    return cache() / f"kafka-{VERSION}"


def is_installed() -> bool:
    """Say whether the local server can be started."""
    return (home() / "bootstrap.checkpoint").exists() and shutil.which("java") is not None


def install() -> None:
    """Fetch the jars with Maven and format a log directory once, whose feature record every later start copies."""
    if is_installed():
        return
    if shutil.which("java") is None or shutil.which("mvn") is None:
        install_packages("A JDK 17 or newer, or Maven,", ["default-jdk-headless", "maven"])
    home().mkdir(parents=True, exist_ok=True)
    (home() / "pom.xml").write_text(_POM)
    (home() / "log4j2.properties").write_text(_LOG)
    copy = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs", "-DincludeScope=runtime"]
    run_program(copy, cwd=home(), seconds=600)
    scratch = home() / "formatted"
    shutil.rmtree(scratch, ignore_errors=True)
    settings = home() / "format.properties"
    settings.write_text(_SETTINGS.format(port=20001, controller=20002, data=scratch))
    format_data(settings)
    shutil.copy(scratch / "bootstrap.checkpoint", home() / "bootstrap.checkpoint")
    shutil.rmtree(scratch)


def format_data(settings: Path, *options: str) -> None:
    """Make the log directory that a settings file names. Raises ProgramFailedError."""
    # One id in 64 begins with "-"; only with "=" is it not read as an option.
    tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={_uuid()}", f"--config={settings}", *options]
    run_program(["java", *_JVM, "-cp", _class_path(), *tool], seconds=120)


def _class_path() -> str:
    return str(home() / "libs" / "*")


def _uuid() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


class KafkaServer:
    """A broker: `bootstrap_servers`, and for a local one `pid`, `stop`, `start`, `kill`, `freeze` and `thaw`."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers

    def close(self) -> None:
        """End what was started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LocalKafka(KafkaServer):
    """A broker of the test's own; its settings, data and log live in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        port, controller = free_port(), free_port()
        super().__init__(f"127.0.0.1:{port}")
        data = folder / "data"
        data.mkdir(parents=True)
        identity = f"version=1\ncluster.id={_uuid()}\nnode.id=1\ndirectory.id={_uuid()}\n"
        (data / "meta.properties").write_text(identity)
        shutil.copy(home() / "bootstrap.checkpoint", data)
        (folder / "server.properties").write_text(_SETTINGS.format(port=port, controller=controller, data=data))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running broker."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the broker and wait until it serves."""
        log = self.folder / "kafka.log"
        seen = log.stat().st_size if log.exists() else 0
        command = [
            "java",
            *_JVM,
            f"-Dlog4j2.configurationFile={home() / 'log4j2.properties'}",
            f"-Dkafka.log={log}",
            "-cp",
            _class_path(),
            "kafka.Kafka",
            str(self.folder / "server.properties"),
        ]
        with (self.folder / "stdout.log").open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.folder,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"Kafka ended: {(self.folder / 'stdout.log').read_text()[-800:]}")
            if log.exists() and b"Kafka Server started" in log.read_bytes()[seen:]:
                return
            time.sleep(0.03)
        self.kill()
        raise RuntimeError("Kafka did not start within 60 s")

    def stop(self) -> None:
        """End the broker in order."""
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the broker with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Stop the broker's clock: its sockets stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen broker go on."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End the broker if it runs."""
        if self._process is not None and self._process.poll() is None:
            self.kill()


class _ContainerKafka(KafkaServer):
    def __init__(self) -> None:
        from testcontainers.kafka import KafkaContainer

        self._container = KafkaContainer(f"confluentinc/cp-kafka:8.{VERSION.split('.')[1]}.0").with_kraft()
        self._container.start()
        super().__init__(self._container.get_bootstrap_server())

    def close(self) -> None:
        self._container.stop()


def open_kafka(folder: Path) -> KafkaServer:
    """Return a running broker by the first way that works. Raises MissingServerError."""
    address = os.environ.get(ADDRESS)
    way = choose("Kafka", Probe(address, docker_answers, is_installed))
    if way == "given":
        return KafkaServer(address or "")
    if way == "container":
        return _ContainerKafka()
    local = LocalKafka(folder)
    local.start()
    return local


def open_private_kafka(folder: Path) -> LocalKafka:
    """Return a broker that a fault test may stop, freeze and kill. Raises MissingServerError."""
    if not is_installed():
        raise MissingServerError("fault tests need a local Kafka of their own; run `make test-servers`")
    local = LocalKafka(folder)
    local.start()
    return local
