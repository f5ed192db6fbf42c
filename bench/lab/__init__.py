"""The parts of bench/http: measure (one run of one program), servers, clients, line (namespaces), scenes, goals."""
