"""What a team does with a channel: offer, schedule, pause, resume, halt, and see it beforehand."""
