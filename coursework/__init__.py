"""Masters of the assignments, with solutions and hidden checks: never part of the site. See README.md here."""
