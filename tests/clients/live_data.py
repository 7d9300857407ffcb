"""A tool that reads and writes a database and asks a service, watched by OpenTelemetry's own instrumentations: an ORM and
its driver, one HTTP library inside another. What happens outside of the agent is nobody's business."""

import os

import requests
import sqlalchemy
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from sqlalchemy import text
from support_agent import report, tracing

SERVICE = os.environ["OPENAI_BASE_URL"] + "/"


def refund(engine):
    """Reads and writes, fails once at each, and asks the service."""
    with engine.begin() as database:
        database.execute(text("SELECT state FROM orders WHERE id = :order"), {"order": "A-1042"}).all()
        database.execute(text("UPDATE orders SET state = 'refunded' WHERE id = :order"), {"order": "A-1042"})
    try:
        with engine.begin() as database:
            database.execute(text("SELECT nothing FROM nowhere"))
        raise AssertionError("not refused")
    except sqlalchemy.exc.OperationalError:
        pass
    requests.get(SERVICE + "models?api_key=FAKE-Kx7vQ2mZ9pLw4tRb", timeout=10)


def main():
    provider = tracing("http")
    SQLite3Instrumentor().instrument()
    SQLAlchemyInstrumentor().instrument()
    URLLib3Instrumentor().instrument()
    RequestsInstrumentor().instrument()
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.StaticPool)
    with engine.begin() as database:
        database.execute(text("CREATE TABLE orders (id TEXT, state TEXT)"))
        database.execute(text("INSERT INTO orders VALUES ('A-1042', 'shipped')"))
    tracer = provider.get_tracer("an.agent")
    named = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "desk"}
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "issue_refund"}
    with tracer.start_as_current_span("invoke_agent desk", attributes=named):
        with tracer.start_as_current_span("execute_tool issue_refund", attributes=tool):
            refund(engine)
    report(provider)


main()
