"""Ask the running Linux kernel's connection tracker for its answer to packets."""

from kernel.conntrack import Entry
from kernel.flow import Flow, flow_of
from kernel.kernel import Answer, Kernel, device_of

__all__ = ["Answer", "Entry", "Flow", "Kernel", "device_of", "flow_of"]
