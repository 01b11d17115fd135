"""SPEAK TO SHOPS: signing, the sender, the address guard and the delivery loop."""
