"""What the reports answer in the OpenAPI pages: a test makes the program behind it, and compares."""

from typing import Any

TRIAL_BALANCE: dict[str, Any] = {
    "from": "2026-12-31T23:00:00Z",
    "until": "2027-06-30T22:00:00Z",
    "balanced": True,
    "units": {
        "points": {
            "name": "Points",
            "decimals": 0,
            "opening": 180,
            "issued": 400,
            "redeemed": 0,
            "expired": 180,
            "reversed": 0,
            "closing": 400,
            "shops": {
                "webshop": {"issued": 400, "redeemed": 0, "expired": 0, "reversed": 0},
                "zegel": {"issued": 0, "redeemed": 0, "expired": 180, "reversed": 0},
            },
            "outstanding": 400,
            "balanced": True,
            "periods": [
                {
                    "from": "2026-12-31T23:00:00Z",
                    "until": "2027-03-31T22:00:00Z",
                    "opening": 180,
                    "issued": 250,
                    "redeemed": 0,
                    "expired": 180,
                    "reversed": 0,
                    "closing": 250,
                    "shops": {
                        "webshop": {"issued": 250, "redeemed": 0, "expired": 0, "reversed": 0},
                        "zegel": {"issued": 0, "redeemed": 0, "expired": 180, "reversed": 0},
                    },
                },
                {
                    "from": "2027-03-31T22:00:00Z",
                    "until": "2027-06-30T22:00:00Z",
                    "opening": 250,
                    "issued": 150,
                    "redeemed": 0,
                    "expired": 0,
                    "reversed": 0,
                    "closing": 400,
                    "shops": {"webshop": {"issued": 150, "redeemed": 0, "expired": 0, "reversed": 0}},
                },
            ],
        },
    },
}

LIABILITY: dict[str, Any] = {
    "at": "2027-05-01T09:00:00Z",
    "value": [{"amount": "4.00", "currency": "EUR"}],
    "units": {
        "points": {
            "name": "Points",
            "decimals": 0,
            "spendable": True,
            "points": 400,
            "active": 400,
            "pending": 0,
            "held": 0,
            "deficit": 0,
            "ended": 0,
            "outstanding": 400,
            "cost_per_point": {"amount": "0.01", "currency": "EUR"},
            "value": {"amount": "4.00", "currency": "EUR"},
            "by_month": [
                {
                    "month": "2028-03",
                    "points": 250,
                    "value": {"amount": "2.50", "currency": "EUR"},
                },
                {
                    "month": "2028-04",
                    "points": 150,
                    "value": {"amount": "1.50", "currency": "EUR"},
                },
            ],
            "breakage": {
                "method": "can_expire times expired / (expired + redeemed), of the lots that ended in the window",
                "window": {"from": "2026-05-01T09:00:00Z", "until": "2027-05-01T09:00:00Z"},
                "expired": 180,
                "redeemed": 300,
                "rate": "0.3750",
                "can_expire": 400,
                "points": 150,
                "value": {"amount": "1.50", "currency": "EUR"},
            },
        },
    },
}
