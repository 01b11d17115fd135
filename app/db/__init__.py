"""REMEMBER: tables, transactions, rows to values and back; SQL that feeds a decision, and writes."""
