"""The lab's parts: a small network of namespaces, real servers, real tools, and the truth about what ran."""
