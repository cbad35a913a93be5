"""Many homes on many machines: each is one task of a Dask cluster, looked at by a worker."""
