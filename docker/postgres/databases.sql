-- A database and its owner for each user of the server; nobody else may connect to it. Run once, on an empty server.
\set ledger `cat "${SECRETS_FOLDER:-/run/secrets}/ledger"`
\set airflow `cat "${SECRETS_FOLDER:-/run/secrets}/airflow"`
\set feast `cat "${SECRETS_FOLDER:-/run/secrets}/feast"`
\set mlflow `cat "${SECRETS_FOLDER:-/run/secrets}/mlflow"`

CREATE ROLE ledger LOGIN PASSWORD :'ledger';
CREATE ROLE airflow LOGIN PASSWORD :'airflow';
CREATE ROLE feast LOGIN PASSWORD :'feast';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';

CREATE DATABASE ledger OWNER ledger;
CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE feast OWNER feast;
CREATE DATABASE mlflow OWNER mlflow;

REVOKE ALL ON DATABASE ledger, airflow, feast, mlflow FROM PUBLIC;
