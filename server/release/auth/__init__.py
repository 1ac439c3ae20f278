"""Who may use the control plane, what each may do, and the trail of what they did."""
