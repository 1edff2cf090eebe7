"""What Signoff reads from and does to systems outside, as abstract base classes by capability. Reading and acting differ."""
