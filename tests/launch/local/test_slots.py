import os

import pytest

from longlag.errors import RequestError
from longlag.launch.local.slots import Slots, cores, gpus, on_gpu, slots_of

CPU = (None,) * 4


def test_a_job_takes_a_slot_a_process_in_turn():
    slots = slots_of(None, threads=2, jobs_per_gpu=1, cores=9, gpus=[])
    assert slots == Slots(CPU, 2)
    free = {0, 1, 2, 3}
    for processes, taken in ((1, (0,)), (2, (1, 2)), (2, None), (1, (3,))):
        assert slots.taken_by(processes, free) == taken
        free -= set(taken or ())


def test_a_job_with_more_processes_than_slots_waits_until_it_is_alone():
    slots = slots_of(2, threads=1, jobs_per_gpu=1, cores=1, gpus=[])
    assert (slots.alone(2), slots.alone(3)) == (False, True)
    assert slots.taken_by(3, {1}) is None
    assert slots.taken_by(3, {0, 1}) == (0, 1)
    assert slots.environment((0, 1)) == {
        "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMEXPR_NUM_THREADS": "1",
    }  # fmt: skip


@pytest.mark.parametrize(("jobs", "given"), [(None, "0 1 0 1"), (3, "0 1 0"), (1, "0")])
def test_jobs_are_spread_over_the_gpus(jobs, given):
    assert slots_of(jobs, threads=1, jobs_per_gpu=2, cores=1, gpus=["0", "1"]).gpus == tuple(given.split())


def test_the_processes_of_a_job_have_a_gpu_each():
    slots = Slots(("a", "b", "a", "b"), 1)
    assert slots.taken_by(2, {0, 2, 3}) == (0, 3)
    assert slots.taken_by(2, {0, 2}) is None
    assert slots.environment((0, 3))["CUDA_VISIBLE_DEVICES"] == "a,b"
    assert slots.environment((2,))["CUDA_VISIBLE_DEVICES"] == "a"
    assert slots.alone(3)
    one = Slots(("a",), 1)
    assert one.alone(2)
    assert one.environment((0,), ["a", "b"])["CUDA_VISIBLE_DEVICES"] == "a,b"


def test_no_more_jobs_than_the_gpus_take():
    with pytest.raises(RequestError, match=r"jobs=5 is more than 2 GPUs take; hydra.launcher.jobs_per_gpu=3 lets"):
        slots_of(5, threads=1, jobs_per_gpu=2, cores=64, gpus=["0", "1"])
    for wrong in (0, -1, True, 1.5, "2"):
        with pytest.raises(RequestError, match=r"hydra.launcher.jobs_per_gpu must be a positive integer"):
            slots_of(1, threads=1, jobs_per_gpu=wrong, cores=64, gpus=["0"])


def test_there_is_a_slot_where_a_process_has_more_threads_than_there_are_cores():
    assert slots_of(None, threads=8, jobs_per_gpu=1, cores=2, gpus=[]) == Slots((None,), 8)


def test_the_cores_are_those_that_this_process_may_use():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert 1 <= cores() <= len(before)


def test_gpus_go_by_the_names_that_this_process_was_given():
    assert gpus({}, 3) == ["0", "1", "2"]
    assert gpus({"CUDA_VISIBLE_DEVICES": "3, GPU-8a"}, 2) == ["3", "GPU-8a"]
    assert gpus({"CUDA_VISIBLE_DEVICES": ""}, 0) == []


def test_a_job_that_names_its_gpus_is_refused_where_they_are_the_launcher_s_to_give():
    assert on_gpu({"trainer": {"accelerator": "gpu", "devices": 2}}, 4)
    assert not on_gpu({"trainer": {"accelerator": "cpu", "devices": "auto"}}, 4)
    assert not on_gpu({"trainer": {"accelerator": "auto", "devices": [1]}}, 0)
    for devices in ([1], "auto", -1, "0,1"):
        with pytest.raises(RequestError, match=r"gives each job its GPUs; say how many, as in trainer.devices=1"):
            on_gpu({"trainer": {"accelerator": "gpu", "devices": devices}}, 4)
