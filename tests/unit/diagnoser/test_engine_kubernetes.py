from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.catalogue import load_catalogue
from services.diagnoser.engines.offline.engine import diagnose

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
