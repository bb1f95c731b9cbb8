# The plugins in the box: a folder of plugins/ each; what each links (pkg-config names) and which
# libraries of plugins/lib/ it is built with. Data only; the recipe is sdk/drover.mk.
PLUGINS = http sqlite mysql kafka file shell sim ansible_adhoc ansible_playbook

http_PKGS   = libmicrohttpd json-c libsodium gnutls
http_LIBS   = principals
sqlite_PKGS = sqlite3 libsodium
sqlite_LIBS = sqlstore
mysql_PKGS  = libmariadb libsodium
mysql_LIBS  = sqlstore
kafka_PKGS  = rdkafka json-c libsodium
kafka_LIBS  = principals
file_PKGS   = libsodium
shell_PKGS  = libssh libcrypto libsystemd json-c
shell_LIBS  = ssh
sim_PKGS    = json-c
ansible_adhoc_PKGS = json-c
ansible_adhoc_LIBS = ansible
ansible_playbook_PKGS = json-c
ansible_playbook_LIBS = ansible
