"""Google's services as the product sees them, small and strict: what they refuse is refused here."""
