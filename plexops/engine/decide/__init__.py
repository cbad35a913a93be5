"""From what was seen to findings and a plan: compare, plan, and judge the plan by the guards."""
