"""What is known without a login: this computer, boxes around it, services outside."""
