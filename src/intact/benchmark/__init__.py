"""Speed, beside other runtimes: each in a process of its own, in turn, on the same inputs."""
