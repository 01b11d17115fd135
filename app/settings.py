"""Settings, read once from the environment (and a `.env` file) by main, cli and migrations, and passed on as values."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SAMPLE_SECRET = "change-me-change-me-change-me-change-me"  # noqa: S105 - the one that is refused
_LEAST_SECRET = 32


class Settings(BaseSettings):
    """Every setting of Zegel. Names are upper case in the environment; most have the prefix ZEGEL_."""

    model_config = SettingsConfigDict(
        env_prefix="ZEGEL_", env_file=".env", frozen=True, extra="ignore", populate_by_name=True
    )

    database_url: str | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        description="postgresql:// address of PostgreSQL 15 or newer, as the service's role. Unset: the embedded one.",
    )
    migration_database_url: str | None = Field(
        default=None,
        validation_alias="MIGRATION_DATABASE_URL",
        description="The same database as the role that owns the tables; used by `zegel migrate` alone.",
    )
    janitor_database_url: str | None = Field(
        default=None,
        validation_alias="JANITOR_DATABASE_URL",
        description="The same database as the role that removes old messages and attempts; used by the worker alone. "
        "Unset: they are kept for ever, but for the embedded database.",
    )
    data: Path | None = Field(default=None, description="Folder of the embedded database. Unset: one per clone.")
    secret: str | None = Field(
        default=None,
        description="At least 32 characters; protects keys, identities and digests. With the embedded database one is "
        "made and kept in the data folder. Losing it means losing every key and identity look-up.",
    )
    host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port the API listens on.")
    url: str = Field(default="http://127.0.0.1:8080", description="Where commands such as `zegel import` find the API.")
    key: str | None = Field(default=None, description="API key for commands that call the API.")
    environment: str = Field(
        default="live", pattern="^[a-z]{1,8}$", description="Named in API keys, so that a test key is seen to be one."
    )
    pool_size: int = Field(default=8, ge=3, le=64, description="Database connections of one process.")
    webhook_allow_http: bool = Field(default=False, description="Allow http:// endpoints, not only https://.")
    webhook_allowed_networks: tuple[str, ...] = Field(
        default=(), description='Networks that endpoints may lie in although they are private: ["10.1.0.0/16"].'
    )
    webhook_retries: tuple[Annotated[int, Field(ge=1, le=604_800)], ...] = Field(
        default=(5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400),
        max_length=30,
        description="Seconds between the attempts to deliver a message: one attempt more than there are numbers.",
    )
    messages_days: int = Field(default=90, ge=1, le=3_650, description="Days that webhook messages are kept.")
    attempts_days: int = Field(default=30, ge=1, le=3_650, description="Days that attempts to deliver are kept.")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="How much is logged.")

    @field_validator("secret")
    @classmethod
    def _strong(cls, secret: str | None) -> str | None:
        if secret is not None and (len(secret) < _LEAST_SECRET or secret == SAMPLE_SECRET or len(set(secret)) < 10):
            raise ValueError("ZEGEL_SECRET must be at least 32 random characters; make one with: openssl rand -hex 32")
        return secret
