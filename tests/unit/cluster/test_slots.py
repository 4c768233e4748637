"""The address ranges and names of the clusters of one machine."""

from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

from tests.cluster.slots import SLOTS, Slot

ALL = [Slot(number) for number in range(SLOTS)]


def test_no_two_clusters_share_a_range_or_a_name() -> None:
    assert len({slot.name for slot in ALL}) == SLOTS
    for one, other in combinations(ALL, 2):
        assert not IPv4Network(one.whole_range).overlaps(IPv4Network(other.whole_range))


def test_the_ranges_of_a_cluster_are_its_own_and_apart() -> None:
    for slot in ALL:
        ranges = [IPv4Network(text) for text in (slot.nodes_range, slot.pods_range, slot.services_range)]
        assert all(one.subnet_of(IPv4Network(slot.whole_range)) for one in ranges)
        assert not any(one.overlaps(other) for one, other in combinations(ranges, 2))


def test_addresses_lie_in_their_ranges() -> None:
    slot = ALL[-1]
    nodes = [IPv4Address(slot.node_address(number)) for number in (1, 9)]
    assert all(address in IPv4Network(slot.nodes_range) for address in (IPv4Address(slot.host), *nodes))
    assert IPv4Network(slot.node_pods_range(9)).subnet_of(IPv4Network(slot.pods_range))
    assert IPv4Address(slot.kubernetes_service) in IPv4Network(slot.services_range)


def test_a_link_s_name_is_short_enough_for_the_kernel() -> None:
    assert all(len(slot.name) <= 15 for slot in ALL)
