"""`python -m scxlife.lifecycle`."""

from .cli import main

raise SystemExit(main())
