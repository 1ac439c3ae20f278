"""What entries of packs say, in words for whoever is asked to sign them."""
