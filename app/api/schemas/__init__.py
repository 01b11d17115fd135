"""What goes in and out, as pydantic models: one `to_command` in and one `of` out."""
