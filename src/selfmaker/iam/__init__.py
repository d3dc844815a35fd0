"""IAM: roles and policies are kept and given back; everything is allowed."""
