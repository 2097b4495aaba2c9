"""What `python -m statefulinspect` does: the same as `statefulinspect`."""

import sys

from statefulinspect.cli import main

sys.exit(main())
