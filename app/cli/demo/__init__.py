"""`zegel demo`: the service driven over HTTP as a till, a webshop and an app would, and reconciled at the end."""

from app.cli.demo.command import demo

__all__ = ["demo"]
