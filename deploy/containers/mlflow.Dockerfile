# MLflow's server with what a centre needs beside it: PostgreSQL, S3, users. MLflow's own image brings neither driver.
FROM docker.io/library/python:3.12-slim-bookworm
RUN pip install --no-cache-dir --disable-pip-version-check \
    mlflow-skinny==3.17.2 Flask Flask-CORS Flask-WTF sqlalchemy alembic graphene uvicorn fastapi gunicorn cryptography waitress aiohttp numpy pandas \
    psycopg2-binary boto3
RUN install -d -o 65532 -g 65532 /var/lib/mlflow
USER 65532:65532
WORKDIR /var/lib/mlflow
ENV MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://localhost:5000/health', timeout=4)"]
CMD ["mlflow", "server", "--host", "0.0.0.0", "--port", "5000"]
