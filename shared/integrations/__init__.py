"""What Signoff reads from and does to systems outside, by capability. Reading and acting are separate types."""
