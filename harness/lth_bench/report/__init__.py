"""What people read: leaderboards and the account of one experiment."""
