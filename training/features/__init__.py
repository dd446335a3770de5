"""The features of pictures in Feast: measured from a manifest, kept offline as parquet and online for quick reading."""
