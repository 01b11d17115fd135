"""Exploration: run stories, look at everything, collect mismatches."""
import random, sys, os
from collections import Counter
from datetime import timedelta
import pytest
from tests.api import test_random_stories as rs
from tests.api.test_random_stories import *
from tests.api.test_random_stories import _told
from app.worker import settling as w

BAD = []
class Deep(rs.Story):
    prog = ""
    async def tell(self, *, steps):
        clock = self.service.clock
        self.members = {card: (await self.service.enrol(card))["id"] for card in CARDS}
        self.lots_seen = {}
        for number in range(steps):
            clock.forward(seconds=self.chance.choice(WAITS), microseconds=self.chance.choice([0, 1]))
            if self.chance.randrange(6) == 0:
                await self.settle()
            body = self.chance.choice(ACTS)(self, f"e{number}")
            for card in CARDS:
                await self.note(card, f"{number}a")
            if body is not None:
                try:
                    await self.send(body)
                except AssertionError as e:
                    BAD.append((self.prog, number, "send", body, str(e)[:300])); print(BAD[-1])
                    return
            for card in CARDS:
                await self.note(card, f"{number}b")
        clock.forward(days=1)
        for phase in (0, 1):
            for (instant, card), then in sorted(self.seen.items()):
                found = await self.look(card, as_of=at(instant), by="recording")
                if found != then: self.bad(instant, card, "past", then, found)
                l = await self.lots(card, as_of=at(instant), by="recording")
                if l != self.lots_seen[instant, card]: self.bad(instant, card, "pastlots", self.lots_seen[instant, card], l)
                await self.sums(card, found, l, instant, "pastsum")
                e = await self.look(card, as_of=at(instant), by="effect")
                le = await self.lots(card, as_of=at(instant), by="effect")
                await self.sums(card, e, le, instant, "effectsum")
            try: await self.settle()
            except AssertionError as e: self.bad(clock(), "", "settle", None, str(e)[:200])
        found = await proven(self.service)
        if found: self.bad(clock(), "", "verify", None, found)
    def bad(self, instant, card, what, then, found):
        if isinstance(then, dict):
            d = {}
            for k in then:
                if then[k] != found[k]:
                    d[k] = ({u: (then[k][u], found[k].get(u)) for u in then[k] if then[k][u] != found[k].get(u)} if k == "units" else (len(then[k]), len(found[k]), [(x["type"], x["effective_at"]) for x in then[k] if x not in found[k]][:3],[(x["type"], x["effective_at"]) for x in found[k] if x not in then[k]][:3]) if k == "events" else (then[k], found[k]))
            then, found = d, ""
        elif isinstance(then, list):
            then, found = [x for x in then if x not in found], [x for x in found if x not in then]
        BAD.append((self.prog, at(instant), card, what, then, found)); print(*BAD[-1], flush=True)
    async def lots(self, card, **asked):
        ls = (await self.read(self.members[card], "lots", limit="200", **asked))["lots"]
        return [l for l in ls if l["state"] != "expired" or l["reserved"]]
    async def sums(self, card, look, ls, instant, what):
        c = Counter()
        for l in ls: c[l["unit"]] += l["remaining"] if l["state"] != "expired" else l["reserved"]
        for u, f in look["units"].items():
            if u == "spent": continue
            h = sum(l["reserved"] for l in ls if l["unit"] == u)
            if f["balance"] + f["deficit"] != c[u] or h != f["held"] or f["available"] != max(0, f["balance"]-f["pending"]-f["held"]) :
                self.bad(instant, card, what + u, f, dict(f) | {"balance": c[u]-f["deficit"], "held": h} ) if False else (BAD.append((self.prog, at(instant), card, what, u, f, c[u], h)), print(*BAD[-1], flush=True))
    async def note(self, card, step):
        now = self.service.clock()
        s = self.seen[now, card] = await self.look(card)
        l = self.lots_seen[now, card] = await self.lots(card)
        await self.sums(card, s, l, now, "nowsum " + step)
        for by in ("recording", "effect"):
            f = await self.look(card, as_of=at(now), by=by)
            if by == "effect":
                for x in (f, s):
                    pass
                f = {**f, "units": {u: {**v, "expiring": None} for u, v in f["units"].items()}}
                s2 = {**s, "units": {u: {**v, "expiring": None} for u, v in s["units"].items()}}
                if f != s2: self.bad(now, card, f"now {by} {step}", s2, f)
                f = s
            if f != s: self.bad(now, card, f"now {by} {step}", s, f)
            lf = await self.lots(card, as_of=at(now), by=by)
            if lf != l: self.bad(now, card, f"nowlots {by} {step}", l, lf)

MORE = dict(PROGRAMS)
P2 = PROGRAM.replace("{points: 50}", "{points: 200}")
MORE["slidewait"] = P2.replace("pending: P5D, expires: {after: P1M}", "pending: P2D, expires: {inactive: P4D}").replace("wait: P4D", "wait: P1D")
MORE["short"] = P2.replace("pending: P5D, expires: {after: P1M}", "pending: P1D, expires: {after: P2D}")
MORE["floor"] = P2.replace("pending: P5D, expires: {after: P1M}", "pending: P3D, expires: {at_end_of: week}, grace: P2D").replace("without_purchase: allow", "without_purchase: allow, deficit_floor: {points: 60}")
MORE["slidestars"] = MORE["slidewait"].replace("\nrules:", "\n"+rs._STARS, 1).replace("  spent: {name", "  stars: {name: Stars}\n  spent: {name", 1)
MORE["fulfilslide"] = P2.replace("pending: P5D, expires: {after: P1M}", "pending: {until: fulfilment, lapses_after: P6D}, expires: {inactive: P4D}")
WHICH = os.environ.get("WHICH", "").split(",")
SEEDS = [int(x) for x in os.environ.get("SEEDS", "4").split(",")]
STEPS = int(os.environ.get("STEPS", "70"))
if os.environ.get("DEBT"):
    rs.ACTS = ACTS = (*ACTS, rs._redeems, rs._redeems, rs._brings_back, rs._brings_back_something, rs._brings_back_something, rs._holds, rs._passes_on)

@pytest.mark.timeout(1500)
@pytest.mark.parametrize("program", WHICH)
@pytest.mark.parametrize("seed", SEEDS)
async def test_x(settings, clock, program, seed):
    clock.now = STARTS[seed % len(STARTS)]
    await publish(settings, clock=clock, document=MORE[program])
    n = len(BAD)
    async with open_service(settings, clock=clock) as service:
        s = Deep(service, random.Random(f"{program}{seed}"))
        s.prog = f"{program}{seed}"
        await s.tell(steps=STEPS)
    assert len(BAD) == n
