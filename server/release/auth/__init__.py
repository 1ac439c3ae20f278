"""Who may use the control plane, what each may do, and the audit log of what they did."""
