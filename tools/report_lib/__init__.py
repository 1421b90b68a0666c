"""What tools/report knows beyond verdicts: measurements, the model's rules, README's open items."""
