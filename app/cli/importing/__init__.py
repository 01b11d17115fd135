"""What `zegel import` is made of: records of a CSV file, events of records, batches over HTTP, and how far it came."""
