from __future__ import annotations

from aiokafka import partitioner
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.kafka_partition import murmur2, partition


@given(key=st.binary(max_size=40))
def test_a_key_is_where_every_other_client_puts_it(key: bytes) -> None:
    assert murmur2(key) == partitioner.murmur2(key)
    every = list(range(12))
    assert partition(key, every) == partitioner.DefaultPartitioner()(key, every, every)
