"""The whole way on real data, as a person would go it with the command line; `seamount demo` runs this.

How it works: everything happens in a network namespace of its own, where this side has the address 10.83.0.1 alone,
and in a folder of its own. `demo.Demo` holds what the steps share; `steps` runs the six of them: `lab` (serve, prepare),
`training` (train and be killed, resume), `forecast`, and clearing away. A step runs commands, checks what they claim
(`Report.check`) and fills in its row of the closing table. Whatever was started is ended when the demo ends, however it
ends; only after SIGKILL something is left, which the next demo clears away, or the machines' lifetime.
"""
