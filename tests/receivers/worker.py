import json
import sqlite3
from contextlib import closing


def work(folder: str) -> None:
    """Deals with what came, in one transaction: cut off anywhere, run again, it changes nothing twice."""
    with closing(sqlite3.connect(folder + "/inbox.db")) as inbox, inbox:
        inbox.execute("CREATE TABLE IF NOT EXISTS balance (member TEXT PRIMARY KEY, sequence INTEGER, points INTEGER)")
        for id, body in inbox.execute("SELECT id, body FROM inbox WHERE done = 0").fetchall():
            data = json.loads(body)["data"]
            if "points" in data.get("balances", {}):
                known = (data["member"], data["sequence"], data["balances"]["points"]["available"])
                inbox.execute(
                    "INSERT INTO balance VALUES (?, ?, ?) ON CONFLICT (member) DO UPDATE"
                    " SET sequence = excluded.sequence, points = excluded.points"
                    " WHERE excluded.sequence > balance.sequence",  # what is older than what we know changes nothing
                    known,
                )
            inbox.execute("UPDATE inbox SET done = 1 WHERE id = ?", (id,))
