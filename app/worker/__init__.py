"""KEEP TIME: bounded loops that notice what is due and hand it to the ledger."""
