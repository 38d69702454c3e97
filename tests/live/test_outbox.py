"""The outbox: bounded, the oldest gives way and is counted."""

from __future__ import annotations

import asyncio

from stcnn.live.outbox import Outbox


def test_the_oldest_answers_give_way_and_are_counted() -> None:
    async def work() -> list[object]:
        outbox = Outbox(most=3)
        for number in range(10):
            outbox.put({"frame": number})
        outbox.close()
        taken = []
        while (answer := await outbox.next()) is not None:
            taken.append(answer["frame"])
        return [taken, outbox.n_unheard]

    assert asyncio.run(work()) == [[7, 8, 9], 7]


def test_an_answer_wakes_who_waits() -> None:
    async def work() -> object:
        outbox = Outbox()
        waiting = asyncio.create_task(outbox.next())
        await asyncio.sleep(0)
        outbox.put({"frame": 1})
        return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(work()) == {"frame": 1}
