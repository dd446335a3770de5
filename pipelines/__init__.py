"""Pipelines: DAGs of components and nothing else. Importing them loads neither torch nor Feast.

python -m pipelines compile                                       # YAML for Kubeflow Pipelines
python -m pipelines run prepare_data --data photos/               # the same DAG on this machine
"""
