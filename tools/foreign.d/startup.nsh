@echo -off
echo the shell reads its script
reset -s
