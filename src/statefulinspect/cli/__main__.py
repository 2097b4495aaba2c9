"""What `python -m statefulinspect.cli` does: the same as `statefulinspect`."""

import sys

from statefulinspect.cli.command import main

sys.exit(main())
