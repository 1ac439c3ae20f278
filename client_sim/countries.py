"""The home countries of simulated owners: a language, a time zone and up to three networks each.

Countries and networks come from Debian's mobile-broadband-provider-info (two of the countries have
no network there), zones from zone.tab. The table includes every language for which the ROM has its
own greetings.
"""

from dataclasses import dataclass, replace
from typing import Final

from client_sim.persona import Persona


@dataclass(frozen=True, slots=True)
class Country:
    """A country by its two letters; `networks` are MCC-MNC."""

    name: str
    language: str
    zone: str
    networks: tuple[str, ...]


_TABLE: Final = """
AD ca Europe/Andorra 213-03
AE ar Asia/Dubai 424-02,424-03
AF fa Asia/Kabul 412-01
AL sq Europe/Tirane 276-02,276-01
AM hy Asia/Yerevan 283-01,283-10,283-05
AO pt Africa/Luanda 631-02
AR es America/Argentina/Buenos_Aires 722-341,722-34,722-340
AT de Europe/Vienna 232-01,232-11,232-07
AU en Australia/Sydney 505-01,505-02,505-03
AZ az Asia/Baku 400-01,400-02,400-04
BA bs Europe/Sarajevo 218-90,218-05,218-03
BB en America/Barbados 342-750
BD bn Asia/Dhaka 470-02,470-03,470-01
BE nl Europe/Brussels 206-06,206-10,206-01
BF en Africa/Ouagadougou 613-02
BG bg Europe/Sofia 284-05,284-01,284-03
BH ar Asia/Bahrain 426-01,426-02,426-04
BI fr Africa/Bujumbura 642-03,642-02
BM en Atlantic/Bermuda 350-00
BN ms Asia/Brunei 528-02,528-11
BR pt America/Sao_Paulo 724-16,724-05,724-07
BS en America/Nassau 364-49,364-390
BW en Africa/Gaborone 652-01,652-02
BY be Europe/Minsk 257-01,257-02,257-04
CA en America/Toronto 302-370,302-720,302-610
CD fr Africa/Kinshasa 630-01
CG fr Africa/Brazzaville 629-01
CH de Europe/Zurich 228-54,228-03,228-02
CI fr Africa/Abidjan 612-05
CL es America/Santiago 730-03,730-01,730-02
CM en Africa/Douala 624-02,624-01
CN zh Asia/Shanghai 460-00,460-02,460-01
CO es America/Bogota 732-101,732-102,732-123
CR es America/Costa_Rica 712-01,712-02,712-03
CY el Asia/Nicosia 280-01,280-10
CZ cs Europe/Prague 230-03,230-02,230-01
DE de Europe/Berlin 262-03,262-05,262-77
DK da Europe/Copenhagen 238-06,238-12,238-02
DO es America/Santo_Domingo 370-01,370-02,370-04
DZ ar Africa/Algiers 603-02,603-01,603-03
EC es America/Guayaquil 740-00,740-01
EE et Europe/Tallinn 248-01,248-02,248-03
EG ar Africa/Cairo 602-02,602-03,602-01
ES es Europe/Madrid 214-08,214-25,214-03
ET am Africa/Addis_Ababa 636-01
FI fi Europe/Helsinki 244-31,244-12,244-05
FJ en Pacific/Fiji 542-01
FO fo Atlantic/Faroe 288-02
FR fr Europe/Paris 208-20,208-21,208-15
GB en Europe/London 234-00,234-15,234-30
GE ka Asia/Tbilisi 282-01
GG en Europe/Guernsey 234-03,234-55,234-50
GH en Africa/Accra 620-01,620-02,620-03
GL kl America/Nuuk 290-01
GN fr Africa/Conakry 611-01,611-05
GR el Europe/Athens 202-01,202-05,202-09
GT es America/Guatemala 704-01,704-02,704-03
GY en America/Guyana 738-02,738-01
HK zh Asia/Hong_Kong 454-00,454-02,454-10
HN es America/Tegucigalpa 708-02
HR hr Europe/Zagreb 219-01,219-10,219-02
HU hu Europe/Budapest 216-01,216-30,216-70
ID id Asia/Jakarta 510-89,510-08,510-21
IE en Europe/Dublin 272-13,272-02,272-01
IL he Asia/Jerusalem 425-02,425-08,425-15
IM en Europe/Isle_of_Man 234-58,234-36,234-55
IN hi Asia/Kolkata 404-02,404-03,404-06
IQ ar Asia/Baghdad 418-40,418-50
IR fa Asia/Tehran 432-11,432-35
IS is Atlantic/Reykjavik 274-02,274-03,274-11
IT it Europe/Rome 222-10,222-01,222-88
JE en Europe/Jersey 234-03,234-55,234-50
JM en America/Jamaica 338-020,338-050
JO ar Asia/Amman 416-77,416-01
JP ja Asia/Tokyo 440-04,440-06,440-20
KE en Africa/Nairobi 639-03,639-02,639-05
KG ky Asia/Bishkek 437-01,437-05,437-09
KH km Asia/Phnom_Penh 456-01,456-02,456-04
KR ko Asia/Seoul 450-08,450-06,450-05
KW ar Asia/Kuwait 419-02,419-03,419-04
KZ kk Asia/Almaty 401-01,401-02,401-77
LA lo Asia/Vientiane 457-02,457-01,457-03
LB ar Asia/Beirut 415-03
LC en America/St_Lucia 358-110
LI de Europe/Vaduz 295-05
LK si Asia/Colombo 413-05,413-02,413-08
LS en Africa/Maseru 651-01
LT lt Europe/Vilnius 246-02,246-03,246-01
LU lb Europe/Luxembourg 270-01,270-77,270-99
LV lv Europe/Riga 247-01,247-02,247-05
MA ar Africa/Casablanca 604-01,604-00,604-02
MD ro Europe/Chisinau 259-02,259-05,259-01
ME cnr Europe/Podgorica 297-01,297-02,297-03
MG mg Indian/Antananarivo 646-01,646-02,646-04
MK mk Europe/Skopje 294-01,294-02,294-03
ML fr Africa/Bamako 610-01,610-02
MM my Asia/Yangon 414-01,414-06,414-05
MN mn Asia/Ulaanbaatar 428-99
MO zh Asia/Macau 455-03,455-05,455-01
MT mt Europe/Malta 278-21,278-77,278-01
MU en Indian/Mauritius 617-10
MV dv Indian/Maldives 472-01,472-02
MW en Africa/Blantyre 650-10,650-01
MX es America/Mexico_City 334-02,334-03
MY ms Asia/Kuala_Lumpur 502-16,502-12,502-17
MZ pt Africa/Maputo 643-01,643-03,643-04
NA en Africa/Windhoek 649-01,649-03
NG en Africa/Lagos 621-20,621-80,621-30
NI es America/Managua 710-21,710-73,710-30
NL nl Europe/Amsterdam 204-08,204-12,204-09
NO no Europe/Oslo 242-02,242-01,242-08
NP ne Asia/Kathmandu 429-01,429-02
NZ en Pacific/Auckland 530-00,530-05,530-01
OM ar Asia/Muscat 422-02,422-03
PA es America/Panama 714-01,714-02
PE es America/Lima 716-10,716-06,716-07
PF fr Pacific/Tahiti 547-20
PG en Pacific/Port_Moresby 537-03
PH en Asia/Manila 515-02,515-03,515-05
PK en Asia/Karachi 410-01,410-06,410-03
PL pl Europe/Warsaw 260-02,260-06,260-03
PT pt Europe/Lisbon 268-03,268-04,268-06
PY es America/Asuncion 744-01,744-05,744-04
QA ar Asia/Qatar 427-02,427-01
RE fr Indian/Reunion 647-10
RO ro Europe/Bucharest 226-10,226-01,226-05
RS sr Europe/Belgrade 220-01,220-03,220-05
RU ru Europe/Moscow 250-28,250-99,250-01
RW rw Africa/Kigali 635-10,635-13
SA ar Asia/Riyadh 420-03,420-01,420-04
SD ar Africa/Khartoum 634-01,634-02,634-07
SE sv Europe/Stockholm 240-02,240-04,240-01
SG zh Asia/Singapore 525-03,525-01,525-02
SI sl Europe/Ljubljana 293-41,293-40,293-64
SK sk Europe/Bratislava 231-02,231-04,231-01
SN fr Africa/Dakar 608-02
SV es America/El_Salvador 706-04,706-02,706-03
SZ en Africa/Mbabane 653-10,653-02
TH th Asia/Bangkok 520-01,520-03,520-18
TN ar Africa/Tunis 605-01,605-02,605-03
TR tr Europe/Istanbul 286-03,286-04,286-01
TT en America/Port_of_Spain 374-13,374-12
TW zh Asia/Taipei 466-92,466-01,466-99
TZ sw Africa/Dar_es_Salaam 640-05,640-04,640-03
UA uk Europe/Simferopol 255-03,255-06,255-02
UG en Africa/Kampala 641-10,641-14,641-11
US en America/New_York 310-038,310-090,310-150
UY es America/Montevideo 748-00,748-01,748-10
UZ uz Asia/Samarkand 434-04,434-05,434-07
VC en America/St_Vincent 360-070
VE es America/Caracas 734-01,734-02,734-03
VN vi Asia/Ho_Chi_Minh 452-01,452-02,452-04
XK sq Europe/Belgrade 221-02
ZA en Africa/Johannesburg 655-07,655-10,655-01
"""

COUNTRIES: Final = tuple(
    Country(name, language, zone, tuple(networks.split(",")))
    for name, language, zone, networks in map(str.split, _TABLE.split("\n")[1:-1])
)
"""The countries by name."""


def settle(persona: Persona, number: int) -> Persona:
    """Return the persona with the locale, time zone and carrier of owner `number`.

    Owners take the countries in turn; each further round uses the next network of each country. The
    carrier's name is the network's MCC-MNC. All other values stay.
    """
    place = number % len(COUNTRIES)
    country = COUNTRIES[place]
    network = country.networks[number // len(COUNTRIES) % len(country.networks)]
    locale = f"{country.language}-{country.name}"
    return replace(persona, locale=locale, time_zone=country.zone, carrier=network)


def count_homes(owners: int) -> tuple[int, int, int]:
    """Count the countries, networks and languages of owners number 0 to `owners` - 1."""
    homes = {
        (country, country.networks[turn % len(country.networks)])
        for turn in range(-(-owners // len(COUNTRIES)))
        for country in COUNTRIES[: owners - turn * len(COUNTRIES)]
    }
    countries = {country for country, _ in homes}
    return len(countries), len(homes), len({country.language for country in countries})
