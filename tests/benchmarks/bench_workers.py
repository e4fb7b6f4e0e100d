"""What a shared PostgreSQL costs a trial, and how sleeping work scales over workers.

    python -m tests.benchmarks.bench_workers

Work that sleeps shows the storage and the crew alone. The overhead of a trial is what a worker
takes for it beyond its sleep, from the first question of its study to the last answer; the
efficiency is the trials a second of all workers, over the workers times those of one. Statements
are counted in a run of one worker.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.synchronize import Barrier

from sqlalchemy import event

from autospec.search import crew
from autospec.search.claims import Crew, worker_name
from autospec.search.space import SearchSpace
from autospec.search.storage import open_shared
from autospec.search.study import open_study, run_study
from tests.faults.crewed import FORKED, Task, is_finished, plan_of, trials_of
from tests.postgres import Server, programs


def work(task: Task, barrier: Barrier) -> None:
    """Be a worker that begins together with the others."""
    crew.POLL_S = 0.1
    mate = Crew(name=worker_name(), storage=open_shared(task.url))
    plan = plan_of(task, mate)
    study = open_study(task.url, task.name, plan)
    barrier.wait()
    run_study(study, plan)


def timed(task: Task, workers: int) -> tuple[float, int]:
    """Return the seconds from the first trial's beginning to the last one's end, and all trials.

    Designs that do not fit are trials too: they are told, but do not sleep.
    """
    barrier = FORKED.Barrier(workers)
    crowd = [FORKED.Process(target=work, args=(task, barrier)) for _ in range(workers)]
    for process in crowd:
        process.start()
    for process in crowd:
        process.join()
    assert [p.exitcode for p in crowd] == [0] * workers
    finished = [t for t in trials_of(task) if is_finished(t)]
    begun = min(t.datetime_start for t in finished if t.datetime_start)
    ended = max(t.datetime_complete for t in finished if t.datetime_complete)
    return (ended - begun).total_seconds(), len(finished)


@contextmanager
def counted(url: str) -> Iterator[tuple[Crew, list[int]]]:
    """Give a crew of one, and the statements and commits that it has sent."""
    mate, counts = Crew(name=worker_name(), storage=open_shared(url)), [0, 0]

    def count(position: int) -> None:
        counts[position] += 1

    engine = mate.storage.engine
    event.listen(engine, "before_cursor_execute", lambda *a: count(0))
    event.listen(engine, "commit", lambda *a: count(1))
    yield mate, counts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--trials", type=int, default=20, help="of each worker")
    parser.add_argument("--samplers", nargs="*", default=["random", "tpe"])
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4, 8])
    arguments = parser.parse_args()
    folder = programs()
    assert folder is not None, "no PostgreSQL server is installed"
    server = Server(folder)
    try:
        for sampler in arguments.samplers:
            base = Task(url=server.url, trials=1, seconds=arguments.seconds)
            settings = replace(base.settings, space=SearchSpace(), sampler=sampler)
            base = replace(base, settings=settings)
            with counted(server.url) as (mate, counts):
                few = replace(base, trials=10, seconds=0.0, name=f"count-{sampler}")
                plan = plan_of(few, mate)
                study = open_study(server.url, few.name, plan)
                counts[:] = [0, 0]
                begun, cpu = time.monotonic(), time.process_time()
                run_study(study, plan)
                spent = 100 * (time.monotonic() - begun)
                cpu = 100 * (time.process_time() - cpu)
            print(f"{sampler}: {len(settings.space.distributions())} parameters; a trial takes")
            print(f"  {counts[0] / 10:.0f} statements in {counts[1] / 10:.0f} transactions,")
            print(f"  {spent:.0f} ms alone with a sleep of 0, {cpu:.0f} ms of processor time")
            print("  workers  trials  seconds  overhead/trial (ms)  efficiency")
            for workers in arguments.workers:
                trials = workers * arguments.trials
                task = replace(base, trials=trials, name=f"{sampler}-{workers}")
                seconds, told = timed(task, workers)
                slept = trials * arguments.seconds
                overhead = 1000 * (seconds * workers - slept) / told
                print(
                    f"  {workers:>7} {trials:>7} {seconds:>8.1f} {overhead:>20.0f}"
                    f" {slept / workers / seconds:>11.2f}",
                    flush=True,
                )
    finally:
        server.remove()


if __name__ == "__main__":
    main()
