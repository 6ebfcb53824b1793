"""The SuperAnimal models of DeepLabCut's zoo: what there are, and how they become a folder that runs."""

from ethopose.families.superanimal.getting import get
from ethopose.families.superanimal.hub import Licence
from ethopose.families.superanimal.offers import Offer, offers

__all__ = ["Licence", "Offer", "get", "offers"]
