# What stands in for AWS on a workstation, the one that the doors are tested on. It forgets everything when it stops.
FROM docker.io/library/python:3.12-slim-bookworm
RUN pip install --no-cache-dir --disable-pip-version-check 'moto[dynamodb,s3]==5.2.5' flask flask-cors boto3
USER 65532:65532
EXPOSE 5000
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://localhost:5000/moto-api/', timeout=2)"]
CMD ["moto_server", "-H", "0.0.0.0", "-p", "5000"]
