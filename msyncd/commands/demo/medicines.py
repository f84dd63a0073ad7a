"""What the demo's stores keep: medicines by their generic names, and whom the stores deal with. Plain data."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Medicine:
    """One item of the catalogue; `price` is what one pack costs to buy, in the home currency."""

    code: str
    name: str
    strength: str
    unit: str
    category: str
    pack_size: int
    price: float
    ven: str = "E"

    @property
    def item_name(self) -> str:
        """The name as it stands on the shelf: with strength and form."""
        return f"{self.name} {self.strength} {self.unit}".strip()


@dataclass(frozen=True, slots=True)
class Party:
    """A supplier or a customer: somebody outside, who is not a store of this system."""

    code: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Facility:
    """A store of this system, by the code that the configuration calls it by."""

    code: str
    name: str


CENTRAL_STORE: Final = Facility("CMS", "Central medical store")
DISTRICT_STORES: Final = (Facility("BUM", "Bumban district store"), Facility("KAL", "Kalo district store"))
STORES: Final = (CENTRAL_STORE, *DISTRICT_STORES)

ANTIBIOTIC, ANALGESIC, MALARIA, CHRONIC = "Anti-infectives", "Pain and fever", "Malaria", "Chronic disease"
MATERNAL, STOMACH, LUNGS, VACCINE = "Mother and child", "Stomach and gut", "Lungs and allergy", "Vaccines"
FLUID, SKIN, SUPPLY, HIV_TB = "Infusions", "Skin and eyes", "Medical supplies", "HIV and tuberculosis"

MEDICINES: Final[tuple[Medicine, ...]] = (
    Medicine("AMX250C", "Amoxicillin", "250 mg", "capsule", ANTIBIOTIC, 1000, 21.50, "V"),
    Medicine("AMX125S", "Amoxicillin", "125 mg/5 ml", "suspension", ANTIBIOTIC, 100, 0.62),
    Medicine("AMC625T", "Amoxicillin + clavulanic acid", "500 mg + 125 mg", "tablet", ANTIBIOTIC, 100, 14.80),
    Medicine("AZI500T", "Azithromycin", "500 mg", "tablet", ANTIBIOTIC, 30, 6.90),
    Medicine("BPN24I", "Benzathine benzylpenicillin", "2.4 MIU", "vial", ANTIBIOTIC, 50, 24.00, "V"),
    Medicine("CTX1GI", "Ceftriaxone", "1 g", "vial", ANTIBIOTIC, 50, 28.75, "V"),
    Medicine("CIP500T", "Ciprofloxacin", "500 mg", "tablet", ANTIBIOTIC, 100, 4.35),
    Medicine("CLX500C", "Cloxacillin", "500 mg", "capsule", ANTIBIOTIC, 500, 23.10),
    Medicine("COT480T", "Sulfamethoxazole + trimethoprim", "400 mg + 80 mg", "tablet", ANTIBIOTIC, 1000, 11.20),
    Medicine("DOX100T", "Doxycycline", "100 mg", "tablet", ANTIBIOTIC, 1000, 17.40),
    Medicine("ERY250T", "Erythromycin", "250 mg", "tablet", ANTIBIOTIC, 500, 19.95),
    Medicine("GEN80I", "Gentamicin", "80 mg/2 ml", "ampoule", ANTIBIOTIC, 100, 9.60, "V"),
    Medicine("MTZ200T", "Metronidazole", "200 mg", "tablet", ANTIBIOTIC, 1000, 8.25),
    Medicine("NYS100S", "Nystatin", "100,000 IU/ml", "drops", ANTIBIOTIC, 30, 0.85),
    Medicine("FLC200C", "Fluconazole", "200 mg", "capsule", ANTIBIOTIC, 100, 7.15),
    Medicine("ALB400T", "Albendazole", "400 mg", "tablet", ANTIBIOTIC, 1000, 23.00),
    Medicine("PZQ600T", "Praziquantel", "600 mg", "tablet", ANTIBIOTIC, 500, 41.30),
    Medicine("PAR500T", "Paracetamol", "500 mg", "tablet", ANALGESIC, 1000, 5.10),
    Medicine("PAR120S", "Paracetamol", "120 mg/5 ml", "suspension", ANALGESIC, 100, 0.48),
    Medicine("IBU400T", "Ibuprofen", "400 mg", "tablet", ANALGESIC, 1000, 11.90),
    Medicine("ASA75T", "Acetylsalicylic acid", "75 mg", "tablet", ANALGESIC, 1000, 6.70),
    Medicine("DIC75I", "Diclofenac", "75 mg/3 ml", "ampoule", ANALGESIC, 100, 8.80, "N"),
    Medicine("MOR10T", "Morphine", "10 mg", "tablet", ANALGESIC, 60, 9.45, "V"),
    Medicine("LID2I", "Lidocaine", "2 %", "vial", ANALGESIC, 20, 10.40),
    Medicine("KET50I", "Ketamine", "50 mg/ml", "vial", ANALGESIC, 25, 26.50, "V"),
    Medicine("ALU6T", "Artemether + lumefantrine", "20 mg + 120 mg", "tablet", MALARIA, 720, 33.60, "V"),
    Medicine("ART60I", "Artesunate", "60 mg", "vial", MALARIA, 10, 14.20, "V"),
    Medicine("SPD525T", "Sulfadoxine + pyrimethamine", "500 mg + 25 mg", "tablet", MALARIA, 150, 9.30),
    Medicine("QUI300T", "Quinine", "300 mg", "tablet", MALARIA, 1000, 62.00),
    Medicine("PRQ15T", "Primaquine", "15 mg", "tablet", MALARIA, 100, 7.75),
    Medicine("AML5T", "Amlodipine", "5 mg", "tablet", CHRONIC, 1000, 9.15),
    Medicine("ENA10T", "Enalapril", "10 mg", "tablet", CHRONIC, 1000, 10.60),
    Medicine("HCT25T", "Hydrochlorothiazide", "25 mg", "tablet", CHRONIC, 1000, 5.80),
    Medicine("ATN50T", "Atenolol", "50 mg", "tablet", CHRONIC, 1000, 8.90),
    Medicine("SIM20T", "Simvastatin", "20 mg", "tablet", CHRONIC, 100, 2.60, "N"),
    Medicine("MTF500T", "Metformin", "500 mg", "tablet", CHRONIC, 1000, 12.30, "V"),
    Medicine("GLB5T", "Glibenclamide", "5 mg", "tablet", CHRONIC, 1000, 5.25),
    Medicine("INS100I", "Insulin, soluble", "100 IU/ml", "vial", CHRONIC, 10, 38.00, "V"),
    Medicine("PHB30T", "Phenobarbital", "30 mg", "tablet", CHRONIC, 1000, 7.40, "V"),
    Medicine("CBZ200T", "Carbamazepine", "200 mg", "tablet", CHRONIC, 1000, 18.70),
    Medicine("DZP5I", "Diazepam", "10 mg/2 ml", "ampoule", CHRONIC, 100, 16.20, "V"),
    Medicine("HAL5T", "Haloperidol", "5 mg", "tablet", CHRONIC, 1000, 12.95),
    Medicine("OXY10I", "Oxytocin", "10 IU/ml", "ampoule", MATERNAL, 100, 22.40, "V"),
    Medicine("MGS50I", "Magnesium sulfate", "50 %", "ampoule", MATERNAL, 50, 19.80, "V"),
    Medicine("FEF60T", "Ferrous sulfate + folic acid", "60 mg + 0.4 mg", "tablet", MATERNAL, 1000, 4.95),
    Medicine("FOL5T", "Folic acid", "5 mg", "tablet", MATERNAL, 1000, 4.10),
    Medicine("VTA200C", "Retinol", "200,000 IU", "capsule", MATERNAL, 500, 11.25),
    Medicine("MPA150I", "Medroxyprogesterone", "150 mg/ml", "vial", MATERNAL, 25, 21.00),
    Medicine("ORS205P", "Oral rehydration salts", "20.5 g", "sachet", STOMACH, 100, 7.30, "V"),
    Medicine("ZNC20T", "Zinc sulfate", "20 mg", "tablet", STOMACH, 100, 1.95, "V"),
    Medicine("OMP20C", "Omeprazole", "20 mg", "capsule", STOMACH, 1000, 15.60),
    Medicine("HYB10T", "Hyoscine butylbromide", "10 mg", "tablet", STOMACH, 1000, 13.40, "N"),
    Medicine("MCP10T", "Metoclopramide", "10 mg", "tablet", STOMACH, 1000, 7.90),
    Medicine("SAL100N", "Salbutamol", "100 micrograms/dose", "inhaler", LUNGS, 1, 1.70, "V"),
    Medicine("BEC100N", "Beclometasone", "100 micrograms/dose", "inhaler", LUNGS, 1, 3.20),
    Medicine("PRD5T", "Prednisolone", "5 mg", "tablet", LUNGS, 1000, 9.70),
    Medicine("CPM4T", "Chlorphenamine", "4 mg", "tablet", LUNGS, 1000, 3.90, "N"),
    Medicine("EPI1I", "Epinephrine", "1 mg/ml", "ampoule", LUNGS, 100, 17.10, "V"),
    Medicine("BCG20V", "BCG vaccine", "20 doses", "vial", VACCINE, 20, 3.10, "V"),
    Medicine("MEA10V", "Measles and rubella vaccine", "10 doses", "vial", VACCINE, 10, 6.60, "V"),
    Medicine("PEN10V", "Pentavalent vaccine", "10 doses", "vial", VACCINE, 10, 9.20, "V"),
    Medicine("TTX10V", "Tetanus and diphtheria vaccine", "10 doses", "vial", VACCINE, 10, 1.40, "V"),
    Medicine("NAC1LF", "Sodium chloride", "0.9 %, 1 l", "bag", FLUID, 12, 11.80, "V"),
    Medicine("RLS1LF", "Ringer's lactate", "1 l", "bag", FLUID, 12, 12.10, "V"),
    Medicine("GLU50F", "Glucose", "50 %, 50 ml", "vial", FLUID, 25, 20.30, "V"),
    Medicine("WFI10F", "Water for injections", "10 ml", "ampoule", FLUID, 100, 4.60),
    Medicine("TEO1E", "Tetracycline eye ointment", "1 %", "tube", SKIN, 50, 11.00),
    Medicine("BBL25L", "Benzyl benzoate", "25 %", "lotion", SKIN, 1, 2.35, "N"),
    Medicine("SSD1C", "Silver sulfadiazine", "1 %", "cream", SKIN, 1, 3.75),
    Medicine("CHX5L", "Chlorhexidine", "5 %", "solution", SKIN, 1, 5.90),
    Medicine("TLD300T", "Tenofovir + lamivudine + dolutegravir", "300 + 300 + 50 mg", "tablet", HIV_TB, 90, 10.85, "V"),
    Medicine(
        "RHZE4T", "Rifampicin + isoniazid + pyrazinamide + ethambutol", "4-FDC", "tablet", HIV_TB, 672, 47.00, "V"
    ),
    Medicine("INH300T", "Isoniazid", "300 mg", "tablet", HIV_TB, 672, 13.70, "V"),
    Medicine("GLVMEX", "Gloves, examination", "medium", "pair", SUPPLY, 100, 3.30),
    Medicine("SYR5ML", "Syringe with needle", "5 ml", "piece", SUPPLY, 100, 4.20),
    Medicine("MRDT25", "Malaria rapid test", "25 tests", "kit", SUPPLY, 25, 8.50, "V"),
)

SUPPLIERS: Final[tuple[Party, ...]] = (
    Party("S-NOR", "Norfield Pharmaceuticals", "14 Harbour Road"),
    Party("S-TAM", "Tamarind Generics", "Plot 8, Industrial Estate"),
    Party("S-EQU", "Equator Medical Supply", "221 Airport Road"),
    Party("S-LAG", "Lagoon Laboratories", "3 Wharf Street"),
    Party("S-BLU", "Blue Reef Trading", "Unit 5, Free Zone"),
    Party("S-VAX", "Regional Vaccine Fund", "Cold Store, Airport"),
    Party("S-SUN", "Sundara Healthcare", "77 Market Square"),
)

CUSTOMERS: Final[tuple[Party, ...]] = (
    Party("C-ARO", "Aroha Health Centre", "Aroha village"),
    Party("C-BAY", "Bayside Clinic", "Bayside"),
    Party("C-CRE", "Creek Crossing Aid Post", "Creek Crossing"),
    Party("C-DAM", "Damu Health Centre", "Damu"),
    Party("C-EST", "Eastern Ridge Health Centre", "Eastern Ridge"),
    Party("C-FIG", "Fig Tree Dispensary", "Fig Tree Corner"),
    Party("C-GAR", "Garo Mission Hospital", "Garo"),
    Party("C-HIL", "Hilltop Health Centre", "Upper Kalo"),
    Party("C-ISL", "Island Aid Post", "Long Island"),
    Party("C-JUN", "Junction Clinic", "Junction"),
    Party("C-KAM", "Kambo Health Centre", "Kambo"),
    Party("C-LOW", "Lower Valley Maternity", "Lower Valley"),
    Party("C-MAN", "Mangrove Point Clinic", "Mangrove Point"),
    Party("C-NEW", "New Town Polyclinic", "New Town"),
)
