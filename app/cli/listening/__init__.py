"""`zegel listen`: pulling the feed, showing messages, handing them on."""
