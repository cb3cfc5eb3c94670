"""A first experiment from beginning to end, as any experimenter's tool makes it."""

from harness import rspec


def test_an_experiment_runs_from_allocate_to_delete(slice):
    # AM API v3: allocation and operational states; Provision does not start anything.
    slice.provisioned(rspec.pair())
    machines = slice.instances()
    assert len(machines) == 2 and all(it.state == "running" for it in machines.values())
    slice.delete().ok()
    assert slice.slivers() == {}
