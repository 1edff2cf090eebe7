from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.engine import diagnose
from tests.support.catalogue import load_catalogue

POD = "basket-7d9c8b6f5d-x2x4z"
JSON = Mapping[str, Any]


def pod(*, ready: bool = False, **status: object) -> JSON:
    container = {"name": "main", "ready": ready, **status}
    return {"kind": "Pod", "metadata": {"name": POD}, "status": {"phase": "Running", "containerStatuses": [container]}}


def waiting(reason: str, message: str = "") -> JSON:
    return pod(state={"waiting": {"reason": reason, "message": message}})


def event(kind: str, name: str, reason: str, message: str) -> JSON:
    about = {"kind": kind, "name": name}
    return {"metadata": {}, "type": "Warning", "reason": reason, "message": message, "involvedObject": about}


def node(**conditions: str) -> JSON:
    told = [{"type": kind, "status": status} for kind, status in conditions.items()]
    return {"kind": "Node", "metadata": {"name": "n-1"}, "status": {"conditions": told}}


DEPLOYMENT = {"kind": "Deployment", "metadata": {"name": "basket"}, "spec": {"replicas": 2}, "status": {}}
KILLED = pod(
    state={"waiting": {"reason": "CrashLoopBackOff"}},
    lastState={"terminated": {"reason": "OOMKilled", "exitCode": 137}},
)
UNPLACED = {
    "kind": "Pod",
    "metadata": {"name": POD},
    "status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
}
UNBOUND = {
    "kind": "Pod",
    "metadata": {"name": "ledger-0"},
    "status": {"conditions": [{"status": "False", "message": "pod has unbound immediate PersistentVolumeClaims"}]},
}


@pytest.mark.parametrize(
    "objects, cause, entity",
    [
        pytest.param([waiting("ImagePullBackOff")], "deployment.image_missing", "basket", id="an image"),
        pytest.param([KILLED], "resource_leak.out_of_memory", "basket", id="memory before the loop it causes"),
        pytest.param([waiting("CrashLoopBackOff")], "deployment.crash_loop", "basket", id="a loop of crashes"),
        pytest.param(
            [waiting("CreateContainerConfigError", 'secret "x" not found')],
            "configuration.missing_secret_or_permission",
            "basket",
            id="a secret",
        ),
        pytest.param([UNPLACED], "saturation.scheduling_capacity", "basket", id="no room"),
        pytest.param(
            [pod(), event("Pod", POD, "Unhealthy", "Readiness probe failed: statuscode: 404")],
            "configuration.probe_misconfigured",
            "basket",
            id="a probe",
        ),
        pytest.param(
            [DEPLOYMENT, event("ReplicaSet", "basket-7d9c8b6f5d", "FailedCreate", "forbidden: exceeded quota: q")],
            "saturation.quota",
            "basket",
            id="a quota",
        ),
        pytest.param([UNBOUND], "infrastructure.volume_missing", "ledger", id="a volume"),
        pytest.param([node(Ready="Unknown")], "infrastructure.node_down", "n-1", id="a node that is gone"),
        pytest.param(
            [node(Ready="True", DiskPressure="True")], "infrastructure.node_pressure", "n-1", id="a node under pressure"
        ),
        pytest.param(
            [pod(ready=True), {"kind": "Endpoints", "metadata": {"name": "basket"}, "subsets": []}],
            "configuration.misrouted",
            "basket",
            id="a name without instances",
        ),
    ],
)
@pytest.mark.parametrize("is_text", [pytest.param(False, id="as objects"), pytest.param(True, id="as text")])
def test_objects_of_kubernetes_tell_their_trouble(
    objects: list[JSON], cause: str, entity: str, *, is_text: bool
) -> None:
    value = {"items": objects}
    told = {"raw": {"kubectl": orjson.dumps(value).decode() if is_text else value}}
    first = diagnose(read_case(told), load_catalogue()).result.causes[0]
    assert (first.cause, first.entity) == (cause, entity)


def test_a_pod_that_restarted_and_is_ready_is_no_trouble() -> None:
    fine = pod(ready=True, restartCount=4, lastState={"terminated": {"reason": "OOMKilled"}})
    alert = {"entity": "basket", "title": "basket restarted"}
    result = diagnose(read_case({"alerts": [alert], "raw": {"pods_now": [fine]}}), load_catalogue()).result
    assert result.status == "no_active_fault"


TABLE = """NAME                      READY   STATUS             RESTARTS   AGE
basket-7d9c8b6f5d-x2x4z   0/1     ImagePullBackOff   0          5m
quotes-5d5f7c9d8-abcde    1/1     Running            0          9d
"""


def test_a_printed_table_of_pods_is_read() -> None:
    first = diagnose(read_case({"raw": {"get_pods": TABLE}}), load_catalogue()).result.causes[0]
    assert (first.cause, first.entity) == ("deployment.image_missing", "basket")


ALERT = {"entity": "basket", "title": "basket does not answer"}


def told_by(**texts: str) -> tuple[str, str, str]:
    """Return status, first cause and its place of what tools printed after an alert."""
    result = diagnose(read_case({"alerts": [ALERT], "raw": texts}), load_catalogue()).result
    first = result.causes[0] if result.causes else None
    return result.status, first.cause if first else "", first.entity if first else ""


def test_an_instance_that_is_being_removed_is_no_trouble() -> None:
    leaving = {
        "metadata": {"name": POD, "deletionTimestamp": "2026-05-01T10:00:00Z"},
        "kind": "Pod",
        "status": waiting("CrashLoopBackOff")["status"],
    }
    staying = {"metadata": {"name": "basket-5d5f7c9d8-abcde"}, "kind": "Pod", "status": pod(ready=True)["status"]}
    gone = event("Pod", POD, "BackOff", "Back-off restarting failed container")
    result = diagnose(read_case({"alerts": [ALERT], "raw": {"now": [leaving, staying, gone]}}), load_catalogue()).result

    assert result.status == "no_active_fault"


PODS = """NAME                     READY   STATUS    RESTARTS   AGE
basket-5d5f7c9d8-abcde   1/1     Running   0          9d
"""
WORKLOADS = """NAME     READY   UP-TO-DATE   AVAILABLE   AGE
basket   0/0     0            0           9d
quotes   1/1     1            1           9d
"""
NAMES = """NAME     ENDPOINTS        AGE
basket   <none>           9d
quotes   10.0.0.7:8080    9d
"""


def test_where_no_instance_is_wanted_that_is_the_cause() -> None:
    assert told_by(workloads=WORKLOADS)[1:] == ("configuration.scaled_to_zero", "basket")


def test_that_no_instance_is_wanted_is_no_trouble_where_no_alert_asks() -> None:
    assert diagnose(read_case({"raw": {"workloads": WORKLOADS}}), load_catalogue()).result.status == "no_active_fault"


def test_a_name_with_nothing_behind_it_is_misrouted_only_where_instances_are_known() -> None:
    assert told_by(names=NAMES)[1:] == ("unknown", "basket")
    assert told_by(names=NAMES, get_pods=PODS)[1:] == ("configuration.misrouted", "basket")


DESCRIBED = """Name:             basket-7d9c8b6f5d-x2x4z
Namespace:        shop
Node:             worker-a/10.0.0.1
Status:           {status}
Controlled By:  ReplicaSet/basket-7d9c8b6f5d
Containers:
  main:
    State:          {state}
      Reason:       {reason}
Conditions:
  Type              Status
  Ready             {ready}
QoS Class:                   Burstable
Events:
  Type     Reason     Age                From               Message
  ----     ------     ----               ----               -------
  Normal   Pulled     92s                kubelet            Container image is present
  Warning  {warning}
"""
PENDING = {"status": "Pending", "state": "Waiting", "reason": "ContainerCreating", "ready": "False"}


@pytest.mark.parametrize(
    "fields, cause",
    [
        pytest.param(
            PENDING | {"warning": "FailedScheduling   31s   default-scheduler  0/4 nodes: 3 Insufficient cpu"},
            "saturation.scheduling_capacity",
            id="a warning says that there is no room",
        ),
        pytest.param(
            PENDING | {"reason": "ImagePullBackOff", "warning": "Failed   31s   kubelet  Error: ErrImagePull"},
            "deployment.image_missing",
            id="its state says that the image is missing",
        ),
        pytest.param(
            PENDING | {"warning": "Unhealthy   0s (x7 over 80s)   kubelet   Liveness probe failed: timeout"},
            "configuration.probe_misconfigured",
            id="a warning says that the check fails",
        ),
    ],
)
def test_a_printed_description_of_an_instance_is_read(fields: dict[str, str], cause: str) -> None:
    assert told_by(describe=DESCRIBED.format(**fields))[1:] == (cause, "basket")


def test_a_description_of_an_instance_that_runs_is_no_trouble() -> None:
    fine = {"status": "Running", "state": "Running", "reason": "-", "ready": "True", "warning": "-"}
    assert told_by(describe=DESCRIBED.format(**fine))[0] == "no_active_fault"
