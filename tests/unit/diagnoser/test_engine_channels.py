from __future__ import annotations

import pytest

from services.diagnoser.domain.case import CaseSeries
from services.diagnoser.engines.offline.channels import meaning


@pytest.mark.parametrize(
    "name, unit, harmful, channel, direction",
    [
        pytest.param("cpu.percent", "%", "up", "cpu", "up", id="dotted, with a share"),
        pytest.param("container.cpu.usage_pct", "", "", "cpu", "up", id="a share told by the name"),
        pytest.param("CpuUsageRate(%)", "", "up", "cpu", "up", id="camel case with the unit in brackets"),
        pytest.param("CPUUtilization", "Percent", "", "cpu", "up", id="an acronym runs into a word"),
        pytest.param(
            "load_balancer_requests", "count", "", "traffic", "both", id="a balancer's load is no processor's"
        ),
        pytest.param("process.rss", "bytes", "up", "memory", "up", id="resident memory"),
        pytest.param("jvm_heap_used", "bytes", "", "memory", "up", id="heap"),
        pytest.param("FreeableMemory", "Bytes", "", "memory", "down", id="memory that is left: less is worse"),
        pytest.param("disk.used_percent", "%", "up", "disk", "up", id="disk space"),
        pytest.param("FreeStorageSpace", "Bytes", "", "disk", "down", id="space that is left: less is worse"),
        pytest.param("DiskQueueDepth", "Count", "", "disk_io", "up", id="waiting for a disk is not its space"),
        pytest.param("WriteIOPS", "Count/Second", "", "disk_io", "up", id="disk operations"),
        pytest.param("gc.pause_ms", "ms", "up", "gc", "up", id="garbage collection, not latency"),
        pytest.param("request.latency_p95", "ms", "up", "latency", "up", id="latency"),
        pytest.param("db_query_duration_seconds_p95", "s", "", "latency", "up", id="a duration is latency"),
        pytest.param("db.query_p95", "ms", "up", "latency", "up", id="a quantile of time is latency"),
        pytest.param("requests", "ms", "", "latency", "up", id="requests in milliseconds are latency"),
        pytest.param("request.errors_percent", "%", "up", "errors", "up", id="errors among requests are errors"),
        pytest.param('client_error_pct{peer="cpu-farm"}', "%", "", "errors", "up", id="labels do not name the channel"),
        pytest.param("availability", "%", "down", "errors", "down", id="availability falls when errors rise"),
        pytest.param("success_rate", "ratio", "", "errors", "down", id="so does success"),
        pytest.param("request.rate", "1/s", "both", "traffic", "both", id="traffic may be too much or too little"),
        pytest.param("PodWorkload(Ops)", "", "up", "traffic", "both", id="traffic, whatever the source calls harmful"),
        pytest.param("DatabaseConnections", "Count", "", "connections", "up", id="connections"),
        pytest.param("ReplicaLag", "Seconds", "", "queue", "up", id="a lag is a queue"),
        pytest.param("NetworkReceiveThroughput", "Bytes/Second", "", "network", "up", id="network"),
        pytest.param("node_filesystem_avail_bytes", "", "", "disk", "down", id="bytes that are left on a file system"),
        pytest.param("node_disk_io_time_seconds_total", "", "", "disk_io", "up", id="time a disk is busy"),
        pytest.param("container_fs_reads_bytes_total", "", "", "disk_io", "up", id="bytes read are no space"),
        pytest.param(
            "container_network_receive_errors_total",
            "",
            "",
            "network",
            "up",
            id="errors of an interface are the network",
        ),
        pytest.param("HTTPCode_Target_5XX_Count", "", "", "errors", "up", id="answers that are failures"),
        pytest.param("HealthyHostCount", "", "", "errors", "down", id="healthy targets"),
        pytest.param("UnHealthyHostCount", "", "", "errors", "up", id="unhealthy targets"),
        pytest.param("kube_deployment_status_replicas_available", "", "", "errors", "down", id="instances that answer"),
        pytest.param("kube_deployment_status_replicas_unavailable", "", "", "errors", "up", id="instances that do not"),
        pytest.param("redis_keyspace_misses_total", "", "", "cache", "up", id="misses of a cache"),
        pytest.param("lat_99", "", "", "latency", "up", id="latency for short"),
        pytest.param("avg_rt", "", "", "latency", "up", id="a response time for short"),
        pytest.param("sr", "", "", "errors", "down", id="a success rate for short"),
        pytest.param("http_401_ratio", "", "", "errors", "up", id="a status that refuses"),
        pytest.param("load", "", "", "traffic", "both", id="the load of a service is what is asked of it"),
        pytest.param("system.load.1", "", "", "cpu", "up", id="the load of a system is that of its processor"),
        pytest.param("tcp-established", "", "", "connections", "up", id="connections that are open"),
        pytest.param("CacheHits", "", "", "cache", "down", id="hits of a cache: fewer are worse"),
        pytest.param("probe_ssl_earliest_cert_expiry", "", "", "tls", "down", id="the end of a certificate"),
        pytest.param(
            "mysql_slave_status_seconds_behind_master", "", "", "queue", "up", id="how far a replica is behind"
        ),
        pytest.param("pg_stat_activity_count", "", "", "connections", "up", id="sessions of a database"),
        pytest.param("http.server.active_requests", "", "", "connections", "up", id="requests in work are no traffic"),
        pytest.param("socket", "", "", "connections", "up", id="sockets"),
        pytest.param("CPUCreditBalance", "", "", "cpu", "down", id="what is left to burst with"),
        pytest.param("envoy_cluster_upstream_rq_time", "", "", "latency", "up", id="time of an upstream"),
        pytest.param("nginx.net.request_per_s", "", "", "traffic", "both", id="requests, though net is in the name"),
        pytest.param("flux_capacitor", "", "", "other", "both", id="what nobody knows"),
    ],
)
def test_a_metric_is_understood_by_name_and_unit(
    name: str, unit: str, harmful: str, channel: str, direction: str
) -> None:
    found = meaning(CaseSeries(name=name, unit=unit, harmful=harmful))
    assert (found.channel.name, found.direction) == (channel, direction)


@pytest.mark.parametrize(
    "series, used",
    [
        pytest.param(CaseSeries(name="disk.used_percent", unit="%"), 0.4, id="a percentage is of a hundred"),
        pytest.param(CaseSeries(name="pool_used", unit="count", limit=80.0), 0.5, id="a count is of its limit"),
        pytest.param(CaseSeries(name="disk_free_pct", unit="%"), 0.6, id="what is free is not used"),
        pytest.param(CaseSeries(name="process.rss", unit="bytes"), None, id="without a limit nobody knows"),
    ],
)
def test_the_share_in_use_is_known_only_with_a_capacity(series: CaseSeries, used: float | None) -> None:
    assert meaning(series).used(40.0) == used


@pytest.mark.parametrize("name", ["p95latency", "p99duration", "orders-p50latency"])
def test_a_quantile_that_is_written_together_with_its_word_is_read(name: str) -> None:
    assert meaning(CaseSeries(name=name)).channel.name == "latency"
